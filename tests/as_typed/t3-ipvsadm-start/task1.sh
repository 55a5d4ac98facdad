#!/bin/bash
cd ~/backend1; python3 -m http.server 8081 & cd ~/backend2; python3 -m http.server 8082 &
wait
