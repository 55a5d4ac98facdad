# терминал 1
cd ~/backend1 && python3 -m http.server 8081
# терминал 2
cd ~/backend2 && python3 -m http.server 8082
