# Терминал 1
cd ~/backend1
python3 -m http.server 8081 --bind 127.0.0.1
# Терминал 2
cd ~/backend2
python3 -m http.server 8082 --bind 127.0.0.1
# Терминал 3
curl -i http://127.0.0.1:8081
curl -i http://127.0.0.1:8082
sudo netstat -tulpn | grep python
