cat << EOF > /etc/dnsmasq.d/app.conf
# две A-записи
host-record = my-awesome-highload-app.local, 127.0.0.1
host-record = my-awesome-highload-app.local, 127.0.0.2
local-ttl = 0
EOF
systemctl restart dnsmasq
sleep 1
dig @127.0.0.1 -p 53 my-awesome-highload-app.local A
