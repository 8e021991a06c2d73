"""AWS on one machine: `ministack` as a process on loopback, with the few replacements we need.

`python -m local.emulator --help` says how to start it. Clients are administrators with
`AWS_ACCESS_KEY_ID=test` and `AWS_SECRET_ACCESS_KEY=test`, in `us-east-1`; functions act under
their own roles, and with `--enforce-roles`, the default, may do only what those allow.
The application itself never knows about any of this.
"""
