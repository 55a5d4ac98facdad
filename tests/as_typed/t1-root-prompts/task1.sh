# mkdir -p /root/backend1 /root/backend2
# echo '<h1>Response from Backend Server 1</h1>' > ~/backend1/index.html
# cd ~/backend1 && python3 -m http.server 8081 &
# cd ~/backend2 && python3 -m http.server 8082 &
