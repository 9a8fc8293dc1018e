"""Benchmarks of evpnd beside FRR, BIRD and other Python codecs: `python -m interop.bench`.

A benchmark runs in two network namespaces joined by a veth pair. In one is the target, a BGP-EVPN speaker with its
bridges and VXLAN devices; in the other a load program (`load`), a process of its own, that speaks BGP and sends
messages encoded beforehand. What the target's kernel did and when is read off a clock that runs in the kernel itself
(`events`), and a dump of the FDB confirms it (`kernel`).
"""
