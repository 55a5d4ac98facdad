cd ~/backend1
nohup python3 -m http.server 8081 > /tmp/b1.log 2>&1 &
cd ../backend2
nohup python3 -m http.server 8082 > /tmp/b2.log 2>&1 &
disown -a
