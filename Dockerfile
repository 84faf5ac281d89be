# The service, in a container. docs/serve.md says how to start it: it wants a token, and a volume for the corrections.
FROM python:3.11-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src src
RUN pip wheel --no-cache-dir --no-deps -c constraints.txt --wheel-dir /wheels .

FROM python:3.11-slim
COPY constraints.txt /tmp/constraints.txt
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir -c /tmp/constraints.txt "$(echo /wheels/*.whl)[serve]" \
    && rm -r /wheels /tmp/constraints.txt \
    && useradd --system --uid 10001 --home-dir /data --create-home zeronine
USER 10001
WORKDIR /data
# Corrections and taught models lie on the volume; everything else may be read-only.
ENV XDG_DATA_HOME=/data PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
# Other machines reach it, so that it starts only with ZERONINE_TOKEN set.
CMD ["zeronine", "serve", "--host", "0.0.0.0"]
