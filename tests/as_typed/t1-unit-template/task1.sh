mkdir -p $HOME/backend{1..2}
echo '<h1>Response from Backend Server 1</h1>' > $HOME/backend1/index.html
echo '<h2>*** Response from Backend Server 2 ***</h2>' > $HOME/backend2/index.html
sudo tee /etc/systemd/system/backend@.service >/dev/null <<EOF
[Unit]
Description=Backend %i
After=network.target

[Service]
WorkingDirectory=$HOME/backend%i
ExecStart=/usr/bin/python3 -m http.server 808%i
Restart=always

[Install]
WantedBy=multi-user.target
EOF
sudo systemctl daemon-reload
sudo systemctl enable --now backend@1 backend@2
sudo systemctl is-active backend@{1,2}
sleep 1; curl localhost:8081 localhost:8082
