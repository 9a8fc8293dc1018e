"""The kernel: netlink codec, mirror, monitor, reconcile, channel, devices (Linux rtnetlink)."""
