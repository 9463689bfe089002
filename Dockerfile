# The server, without root; weights and everything kept lie in the volume /cache.
FROM python:3.13-slim
COPY pyproject.toml README.md LICENSE /source/
COPY src /source/src
RUN pip install --no-cache-dir "/source[server,detect]" \
    && useradd --create-home anymask \
    && install --directory --owner=anymask /cache
USER anymask
ENV ANYMASK_CACHE=/cache
VOLUME /cache
EXPOSE 8000
HEALTHCHECK --start-period=120s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz')"]
# Set ANYMASK_TOKEN, or take the token that is printed at the start.
CMD ["anymask", "serve", "--host", "0.0.0.0", "--port", "8000"]
