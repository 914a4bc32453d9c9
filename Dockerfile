# The router as an image, and on top of it the example model: docs/image.md says how it is built, run and kept small.
# `--target router` leaves the model out.

# Debian or a derivative with Python 3.11 or newer as python3
ARG BASE=python:3.12-slim-bookworm


FROM ${BASE} AS tools
# on a base whose Python is Debian's own: "gcc libc6-dev python3-dev python3-venv"
ARG BUILD_PACKAGES="gcc libc6-dev"
RUN apt-get update && apt-get install -y --no-install-recommends ${BUILD_PACKAGES}
WORKDIR /build
# pip for both environments below, which stay without one; and what setup.py compiles with
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
COPY constraints.txt ./
RUN python3 -m venv /tools && /tools/bin/pip install --constraint constraints.txt setuptools mypy


FROM tools AS dependencies
COPY pyproject.toml ./
RUN python3 -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
      > dependencies.txt \
 && python3 -m venv --without-pip /opt/maitre \
 && /tools/bin/pip --python /opt/maitre/bin/python install --constraint constraints.txt --requirement dependencies.txt


FROM dependencies AS build
COPY setup.py README.md LICENSE ./
COPY router router
COPY autoscaler autoscaler
# under a root of its own, so that it becomes a layer of its own: an upgrade moves this one alone
RUN MAITRE_COMPILE=1 CFLAGS=-g0 PATH=/tools/bin:$PATH \
      /tools/bin/pip wheel --no-build-isolation --no-deps --wheel-dir dist . \
 && /tools/bin/pip --python /opt/maitre/bin/python install --no-index --no-deps --root /own dist/maitre-*.whl \
 && install -d -m 0700 -o 65532 -g 65532 /own/var/lib/maitre


FROM tools AS digits
# the tests of its libraries, a fifth of them, stay out
COPY examples/digits/model.py examples/digits/train.py /opt/digits/
RUN python3 -m venv --without-pip /opt/digits \
 && /tools/bin/pip --python /opt/digits/bin/python install --no-compile --constraint constraints.txt scikit-learn \
 && find /opt/digits/lib -type d -name tests -prune -exec rm -r {} + \
 && /opt/digits/bin/python -m compileall -q -j 0 /opt/digits/lib \
 && /opt/digits/bin/python /opt/digits/train.py --models /opt/digits


FROM ${BASE} AS router
ARG VERSION=
ARG REVISION=
LABEL org.opencontainers.image.title="maitre" \
      org.opencontainers.image.description="Front-end router for machine-learning models" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=dependencies /opt/maitre /opt/maitre
COPY --from=build /own /
ENV PATH=/opt/maitre/bin:$PATH MAITRE_STATE_DIR=/var/lib/maitre
# a number, so that runAsNonRoot can see it; there is no such user, and no home
USER 65532:65532
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
ENTRYPOINT ["maitre"]
CMD ["serve", "--kubernetes"]


FROM router
COPY --from=digits /opt/digits /opt/digits
