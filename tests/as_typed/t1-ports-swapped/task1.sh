cd ~/backend1 && python3 -m http.server 8082 &
cd ~/backend2 && python3 -m http.server 8081 &
sleep 1
curl localhost:8081
curl localhost:8082
