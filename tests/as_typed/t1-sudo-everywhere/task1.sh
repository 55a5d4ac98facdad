sudo apt update
sudo apt install python3 curl -y
cd ~
sudo mkdir backend1
sudo mkdir backend2
sudo echo '<h1>Response from Backend Server 1</h1>' | sudo tee backend1/index.html
sudo echo '<h2>*** Response from Backend Server 2 ***</h2>' | sudo tee backend2/index.html
sudo python3 -m http.server 8081 --directory backend1 &
sudo python3 -m http.server 8082 --directory backend2 &
sleep 2
sudo curl http://localhost:8081
sudo curl http://localhost:8082
sudo ss -ltnp | grep -E '8081|8082'
