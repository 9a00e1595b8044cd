# The app, the command line and training in one image. CPU by default: docker build -t semblance:cpu .
# CUDA: docker build -t semblance:cuda --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu132 .
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS packages
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
COPY requirements.txt .
# torch first and from its own index: PyPI's build for Linux brings several GB of CUDA.
RUN grep -E '^torch(vision)?[>=]' requirements.txt > torch.txt \
    && pip install --index-url "${TORCH_INDEX}" -r torch.txt \
    && pip install -r requirements.txt

FROM ${PYTHON_IMAGE}
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data semblance \
    && mkdir /data /secret /pictures \
    && chown semblance:semblance /data /secret \
    && chmod 700 /secret
COPY --from=packages /venv /venv
WORKDIR /semblance
COPY streamlit_app.py LICENSE ./
COPY .streamlit .streamlit
COPY app app
COPY deploy deploy
COPY models models
COPY pipeline pipeline
COPY training training
# A checkout may hold files that only its owner reads; in the image everyone reads and nobody writes.
RUN chmod -R a+rX,go-w . && /venv/bin/python -m compileall -q .
# What libraries keep goes to /data and /tmp: the rest can be read-only.
ENV PATH=/venv/bin:$PATH \
    PYTHONPATH=/semblance \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SEMBLANCE_HOME=/data \
    HOME=/tmp \
    XDG_CACHE_HOME=/data/cache \
    NUMBA_CACHE_DIR=/tmp/numba
USER 10001:10001
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=10s --start-period=90s --retries=3 CMD ["python", "-m", "deploy.healthy"]
# 0.0.0.0 is the container's own address; publish it on loopback only: docker run -p 127.0.0.1:8501:8501 semblance:cpu
CMD ["python", "-m", "streamlit", "run", "streamlit_app.py", "--server.port=8501", "--server.address=0.0.0.0"]
