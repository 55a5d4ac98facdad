#!/bin/bash
cat > $HOME/dnsmasq.conf <<EOF
adress=/my-awesome-highload-app.local/127.0.0.1
adress=/my-awesome-highload-app.local/127.0.0.2
EOF
sudo dnsmasq --conf-file=$HOME/dnsmasq.conf
dig @127.0.0.1 my-awesome-highload-app.local
