# A server for the web page: no root, no write to anything but /data and /tmp. See docs/web.md.
FROM python:3.12-slim-bookworm AS build
WORKDIR /build
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY src ./src
RUN python -m venv /opt/tamperlens \
    && /opt/tamperlens/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt '.[web]'

FROM python:3.12-slim-bookworm
COPY --from=build /opt/tamperlens /opt/tamperlens
RUN useradd --system --uid 10001 --create-home --home-dir /data --shell /usr/sbin/nologin tamperlens \
    && chmod 700 /data
ENV PATH=/opt/tamperlens/bin:$PATH \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
# Others can reach it, so it asks for a token: TAMPERLENS_TOKEN, or --token-file.
ENTRYPOINT ["tamperlens", "serve", "--host", "0.0.0.0", "--port", "8000", "--folder", "/data/jobs"]
