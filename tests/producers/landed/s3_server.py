"""A local server of S3 and SQS (moto), and what a test does there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"
KEY_ID, SECRET_KEY = "TESTKEYID", "s3cret-acc3ss-key"
BUCKET = "landed-videos"


class S3Server:
    """`url`: its endpoint."""

    def __init__(self, server: ThreadedMotoServer) -> None:
        host, port = server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self._server = server
        self.s3 = self._client("s3")
        self.sqs = self._client("sqs")
        place = {"LocationConstraint": REGION}
        # moto's buckets are those of the process, whichever server is asked.
        with suppress(self.s3.exceptions.BucketAlreadyOwnedByYou):
            self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)

    def login(self) -> dict[str, str]:
        """Keys of the settings."""
        return {
            "endpoint_url": self.url,
            "region": REGION,
            "access_key_id": KEY_ID,
            "secret_access_key": SECRET_KEY,
        }

    def put(self, key: str, content: bytes) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content)

    def all_keys(self) -> set[str]:
        found = self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())
        return {item["Key"] for item in found}

    def get(self, key: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body

    def queue(self, name: str) -> str:
        """A queue that hears of all new objects of the bucket; its address."""
        url: str = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        asked = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        told = {"QueueArn": asked["Attributes"]["QueueArn"], "Events": ["s3:ObjectCreated:*"]}
        self.s3.put_bucket_notification_configuration(
            Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": [told]}
        )
        return url

    def say(self, url: str, body: object) -> None:
        """Something else into the queue."""
        self.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))

    def waiting(self, url: str) -> int:
        """Messages in the queue, those that somebody is at among them."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        asked = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return sum(int(asked["Attributes"][name]) for name in names)

    def stop(self) -> None:
        self._server.stop()

    def _client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET_KEY,
        )


@contextmanager
def s3_server() -> Iterator[S3Server]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    opened = S3Server(server)
    try:
        yield opened
    finally:
        for client in (opened.s3, opened.sqs):
            client.close()
        opened.stop()
