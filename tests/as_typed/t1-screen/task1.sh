sudo apt-get update
sudo apt-get install -y screen
screen -dmS b1 bash -c 'cd ~/backend1 && python3 -m http.server 8081'
screen -dmS b2 bash -c 'cd ~/backend2 && python3 -m http.server 8082'
screen -ls
sleep 2
curl localhost:8081; curl localhost:8082
