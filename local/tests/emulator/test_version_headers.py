"""A link to a version says itself which headers S3 answers with."""

from .conftest import RunningEmulator


def test_a_version_is_answered_with_the_headers_that_its_link_asks_for(emulator: RunningEmulator) -> None:
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="headers")
    s3.put_bucket_versioning(Bucket="headers", VersioningConfiguration={"Status": "Enabled"})
    put = s3.put_object(Bucket="headers", Key="a.jpg", Body=b"picture", ContentEncoding="gzip")

    found = s3.get_object(Bucket="headers", Key="a.jpg", VersionId=put["VersionId"], ResponseContentEncoding="identity")

    assert (found["ContentEncoding"], found["Body"].read()) == ("identity", b"picture")
