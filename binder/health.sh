#!/bin/sh
# Asks the container's Jupyter server whether it lives, below the address that a hub may have given it; says why when it does not.
address="http://127.0.0.1:${JUPYTER_PORT:-8888}${JUPYTERHUB_SERVICE_PREFIX:-/}api"
curl --fail --silent --show-error --max-time 8 --output /dev/null "$address" ||
    { echo "The Jupyter server does not answer at $address; its log is that of the container."; exit 1; }
