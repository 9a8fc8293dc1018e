# The peers' images where they are made of Debian packages, by `containerlab/images`: one image with all of them (BASE),
# which gets the entry point that each peer's public image has.
ARG BASE

FROM ${BASE} AS frr
COPY frr-start /usr/lib/frr/docker-start
ENTRYPOINT ["/usr/lib/frr/docker-start"]

FROM ${BASE} AS gobgp
ENTRYPOINT ["gobgpd", "-f", "/etc/gobgp/gobgpd.toml", "--pprof-disable"]

FROM ${BASE} AS bird
ENTRYPOINT ["bird", "-f", "-c", "/etc/bird/bird.conf", "-s", "/run/bird.ctl"]
