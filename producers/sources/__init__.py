"""Where frames come from: one module per kind of camera, all behind `base.Source`."""
