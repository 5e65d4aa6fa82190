FROM python:3.12-slim AS build
RUN python -m venv /opt/model-pool
ENV PATH=/opt/model-pool/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
COPY requirements/run.txt requirements/
RUN pip install --no-deps --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md LICENSE beat_schedule.py ./
COPY configs configs
COPY pool_client pool_client
COPY pool_worker pool_worker
RUN pip install --no-deps --no-build-isolation .

FROM python:3.12-slim
COPY --from=build /opt/model-pool /opt/model-pool
ENV PATH=/opt/model-pool/bin:$PATH PYTHONUNBUFFERED=1
RUN useradd --uid 1000 pool && install --directory --owner pool --mode 700 /srv/model-pool/data
USER pool
WORKDIR /srv/model-pool
ENV MODEL_POOL_HOME=/srv/model-pool/data
CMD ["model-pool", "--help"]
