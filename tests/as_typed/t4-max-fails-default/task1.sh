python3 -m http.server 8081 --directory ~/backend1 &
python3 -m http.server 8082 --directory ~/backend2 &
