#!/bin/bash
cat <<EOF | sudo tee -a /etc/dnsmasq.conf > /dev/null
host-record=my-awesome-highload-app.local,127.0.0.1
host-record=my-awesome-highload-app.local,127.0.0.2
EOF
sudo service dnsmasq restart
for i in {1..5}; do dig +short @127.0.0.1 my-awesome-highload-app.local; echo ---; done
