"""Copies through the AWS Common Runtime, where it is installed. (It is not in the layer.)"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Callable, Mapping
from typing import IO, cast

import botocore.session
import httpx
from s3transfer.crt import (
    BotocoreCRTCredentialsWrapper,
    BotocoreCRTRequestSerializer,
    CRTTransferManager,
    create_s3_crt_client,
)
from s3transfer.manager import TransferConfig

from benchmarks._copying_reading import Chunks

_BUCKET = "results"


def ways(certificate: str) -> Mapping[str, Callable[[str, str], None]]:
    """From a file, and from the answer as it comes."""
    session = botocore.session.get_session()
    region = os.environ["AWS_DEFAULT_REGION"]
    credentials = BotocoreCRTCredentialsWrapper(session.get_credentials()).to_crt_credentials_provider()
    client = create_s3_crt_client(region, credentials, verify=certificate)
    served = {"endpoint_url": os.environ["AWS_ENDPOINT_URL"], "region_name": region}
    manager = CRTTransferManager(client, BotocoreCRTRequestSerializer(session, served), config=TransferConfig())
    http = httpx.Client(verify=ssl.create_default_context(cafile=certificate))

    def from_file(url: str, key: str) -> None:
        with tempfile.NamedTemporaryFile() as file:
            with http.stream("GET", url) as response:
                for chunk in response.iter_raw():
                    file.write(chunk)
            file.flush()
            manager.upload(file.name, _BUCKET, key).result()

    def streamed(url: str, key: str) -> None:
        with http.stream("GET", url) as response:
            manager.upload(cast(IO[bytes], Chunks(response.iter_raw())), _BUCKET, key).result()

    return {"crt_file": from_file, "crt_streamed": streamed}
