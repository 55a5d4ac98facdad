#!/usr/bin/env bash
for i in 1 2; do
    python3 -m http.server 808$i --bind 127.0.0.1 --directory ~/backend$i > /dev/null 2>&1 &
done
sleep 1
