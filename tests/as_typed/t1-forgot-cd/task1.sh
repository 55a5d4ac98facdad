cd ~
python3 -m http.server 8081 &
python3 -m http.server 8082 &
sleep 1
curl localhost:8081
