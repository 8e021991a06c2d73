"""Is this a whole image? Readers of JPEG, PNG and WEBP that go to the end, within limits, and make no picture of it."""
