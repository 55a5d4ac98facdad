mkdir -p ~/backend1 ~/backend2
echo '<h1>Response from Backend Server 1</h1>' > ~/backend1/index.html
echo '<h2>*** Response from Backend Server 2 ***</h2>' > ~/backend2/index.html

tmux new-session -d -s web
tmux send-keys -t web 'cd ~/backend1 && python3 -m http.server 8081' C-m
tmux split-window -t web
tmux send-keys -t web 'cd ~/backend2 && python3 -m http.server 8082' Enter
sleep 3
tmux capture-pane -p -t web
curl http://localhost:8081 http://localhost:8082
