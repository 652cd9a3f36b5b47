ARG BASE_IMAGE=python:3.13-slim

# builder: a virtual environment with the locked dependencies and our own package.
FROM ${BASE_IMAGE} AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python3 -m venv /opt/venv
COPY requirements/runtime.txt /build/runtime.txt
RUN /opt/venv/bin/pip install --no-cache-dir --no-compile --require-hashes -r /build/runtime.txt
COPY operator/buildstate /build/buildstate
# Our package needs no build: it is put where Python looks. What only installs things goes, and so do
# the calls and models of the blocking Kubernetes client, which we never use: they are loaded one by one
# on demand, and the import at the end goes without them. Bytecode is written now, because at run time
# the file system is read-only.
RUN set -eu; \
    site="$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"; \
    cp -R /build/buildstate "$site/buildstate"; \
    cd "$site"; \
    rm -rf pip pip-* setuptools setuptools-* pkg_resources wheel wheel-* _distutils_hack \
        distutils-precedence.pth; \
    find kubernetes/client/api kubernetes/client/models -name '*.py' ! -name __init__.py -delete; \
    find . -depth -type d \( -name tests -o -name __pycache__ \) -exec rm -rf {} +; \
    find /opt/venv/bin -type f -delete; \
    /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash .; \
    /opt/venv/bin/python -c 'import buildstate.__main__'

# runtime: the base without what installs or builds, without programs that make one root, and the
# environment.
FROM ${BASE_IMAGE} AS runtime
COPY --from=builder /opt/venv /opt/venv
RUN set -eu; \
    for library in /usr/lib/python3 /usr/lib/python3.* /usr/local/lib/python3.*; do \
        rm -rf "$library"/ensurepip "$library"/idlelib "$library"/lib2to3 "$library"/turtledemo \
            "$library"/tkinter "$library"/test "$library"/*-packages/pip* \
            "$library"/*-packages/setuptools* "$library"/*-packages/wheel* \
            "$library"/*-packages/pkg_resources; \
    done; \
    rm -rf /usr/share/python-wheels /usr/local/bin/pip* /usr/bin/pip* /usr/local/bin/idle* \
        /var/lib/apt/lists/* /var/cache/* /var/log/* /usr/share/doc/* /usr/share/man/* \
        /usr/share/info/* /usr/share/locale/* /root/.cache; \
    find / -xdev -type f -perm /6000 -exec chmod a-s {} +; \
    /opt/venv/bin/python -B -c 'import buildstate.__main__'

# The last stage starts from nothing, so that what was removed is in no layer either.
FROM scratch
COPY --from=runtime / /
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
LABEL org.opencontainers.image.title="buildstate-operator" \
      org.opencontainers.image.description="A Kubernetes operator that keeps the state of a build true"
# A number, so that the kubelet can prove that it is not root.
USER 65532:65532
WORKDIR /
EXPOSE 8080
ENTRYPOINT ["/opt/venv/bin/python", "-m", "buildstate"]
CMD ["run"]
