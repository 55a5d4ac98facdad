sudo dnsmasq --host-record=my-awesome-highload-app.local,127.0.0.1,127.0.0.2
dig @127.0.0.1 my-awesome-highload-app.local +short
sudo killall dnsmasq
sudo dnsmasq --host-record=my-awesome-highload-app.local,127.0.0.1 --host-record=my-awesome-highload-app.local,127.0.0.2
dig @127.0.0.1 my-awesome-highload-app.local +short
