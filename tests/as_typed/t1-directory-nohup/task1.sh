#!/bin/bash
nohup python3 -m http.server 8081 --directory "$HOME/backend1" > /dev/null 2>&1 &
disown
nohup python3 -m http.server 8082 --directory "$HOME/backend2" > /dev/null 2>&1 &
disown
ss -tlnp | grep -E '8081|8082'
