cd ~/backend1 && python3 -m http.server 8081 &
sleep 2
cd ~/backend2 && python3 -m http.server 8081 &
sleep 2
curl localhost:8082
