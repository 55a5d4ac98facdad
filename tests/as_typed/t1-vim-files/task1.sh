cd ~
mkdir backend1 backend2
vim backend1/index.html
vi backend2/index.html
cat backend1/index.html backend2/index.html
fuser -k 8081/tcp 8082/tcp
( cd backend1 ; python3 -m http.server 8081 >/dev/null 2>&1 ) &
( cd backend2 ; python3 -m http.server 8082 >/dev/null 2>&1 ) &
sleep 1 ; curl 127.0.0.1:8081 ; curl 127.0.0.1:8082
history | tail -20
