"""Clients of S3 and SQS."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from producers.landed.settings import S3Settings
from runtime.errors import UserError


def client_of(service: str, source: S3Settings) -> Any:
    """A client of boto3. Raises UserError: no region, no such profile, no secret in its file."""
    try:
        session = boto3.Session(
            profile_name=source.profile,
            region_name=source.region,
            aws_access_key_id=source.access_key_id,
            aws_secret_access_key=source.secret(),
        )
        config = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard"})
        return session.client(service, endpoint_url=source.endpoint_url, config=config)
    except (BotoCoreError, ValueError) as error:
        raise UserError(f"{service}: {error}") from error
