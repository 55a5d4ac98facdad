cd ~/backend1
python3 -m SimpleHTTPServer 8081 &
cd ~/backend2
python3 -m SimpleHTTPServer 8082 &
