"""The AWS emulator: `ministack` as a process on loopback, with the replacements that Heliograph needs.

`python -m local.emulator --help` lists its options. Clients are administrators with
`AWS_ACCESS_KEY_ID=test` and `AWS_SECRET_ACCESS_KEY=test`, in `us-east-1`; functions act under
their own roles, and with `--enforce-roles`, the default, may do only what those allow.
The application does not depend on any of this.
"""
