# The peers' images: `containerlab/images` chooses the target and what it is made from.
#   frr, gobgp, bird   one tree of Debian packages (BASE), with the entry point that the peer's public image has
#   programs           a public image (BASE) without even a shell: its programs in a plain Linux node (HOST)
#   tools              a public image (BASE) that lacks what topologies call in every node: with it
ARG BASE
ARG HOST=scratch

FROM ${BASE} AS frr
COPY frr-start /usr/lib/frr/docker-start
ENTRYPOINT ["/usr/lib/frr/docker-start"]

FROM ${BASE} AS gobgp
ENTRYPOINT ["gobgpd", "-f", "/etc/gobgp/gobgpd.toml", "--pprof-disable"]

FROM ${BASE} AS bird
ENTRYPOINT ["bird", "-f", "-c", "/etc/bird/bird.conf", "-s", "/run/bird.ctl"]

FROM ${BASE} AS public
FROM ${HOST} AS programs
COPY --from=public /usr/local/bin/ /usr/local/bin/

FROM ${BASE} AS tools
USER root
RUN if command -v apk; then apk add --no-cache iproute2 iputils; \
    else apt-get update -qq && apt-get install -y -qq --no-install-recommends iproute2 iputils-ping; fi
