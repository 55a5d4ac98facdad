sudo ip addr add 127.0.0.2/8 dev lo
ip a show lo
ping -c 1 127.0.0.2
sudo pkill dnsmasq
sleep 1
printf 'address=/%s/%s\n' my-awesome-highload-app.local 127.0.0.1 my-awesome-highload-app.local 127.0.0.2 > ~/my.conf
sudo dnsmasq --conf-file=$HOME/my.conf
dig @127.0.0.1 my-awesome-highload-app.local
