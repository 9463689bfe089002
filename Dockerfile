# The server, without root; weights and everything kept lie in the volume /cache, unless --data names the folder /data.
FROM python:3.13-slim
RUN useradd --create-home --uid 10001 anymask \
    && install --directory --owner=anymask --group=anymask /cache /data
COPY pyproject.toml README.md LICENSE /source/
COPY src /source/src
RUN pip install --no-cache-dir "/source[server,detect]"
USER anymask
WORKDIR /home/anymask
# What the server prints, such as the token, is in the log at once.
ENV ANYMASK_CACHE=/cache PYTHONUNBUFFERED=1
VOLUME /cache
EXPOSE 8000
# The first start fetches 45 MB of weights before it answers.
HEALTHCHECK --interval=30s --timeout=5s --start-period=180s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
# Set ANYMASK_TOKEN, or take the token that is printed at the start.
CMD ["anymask", "serve", "--host", "0.0.0.0", "--port", "8000"]
