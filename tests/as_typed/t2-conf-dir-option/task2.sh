sudo mkdir -p /etc/dnsmasq.d
echo "host-record=my-awesome-highload-app.local,127.0.0.1" | sudo tee /etc/dnsmasq.d/lb.conf
echo "host-record=my-awesome-highload-app.local,127.0.0.2" | sudo tee -a /etc/dnsmasq.d/lb.conf
sudo pkill dnsmasq
sudo dnsmasq --conf-dir=/etc/dnsmasq.d,*.conf --no-resolv --listen-address=127.0.0.1 --bind-interfaces
for i in $(seq 1 4); do dig +short @127.0.0.1 my-awesome-highload-app.local; echo ---; done
