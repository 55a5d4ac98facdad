# What bash reads before a script that is run as it was typed (inside/typed.py). It announces each command, with the code of the one
# before and its line, in the stream of what is printed, so that all of it stays in its order. (The small numbers are a script's own:
# `exec 9>/tmp/lock`.)
set -T
exec 250>&1
labkit_shells=0 labkit_before=''
labkit_announce() {
    # `set -e` would end the script at what was left running (147: stopped) and at a `wait` that was ended (138): ERR can tell.
    case $- in *e*)
        set +e -E
        builtin trap 'labkit_code=$?; case $labkit_code in 138 | 147) ;; *) builtin exit "$labkit_code" ;; esac' ERR
    esac
    # Who stops dnsmasq and starts it again does so seconds later: by then it has gone.
    case $labkit_before:$3 in
        *kill*:*dnsmasq*) for _ in {1..20}; do pgrep -x dnsmasq >/dev/null && command sleep 0.05 || break; done ;;
    esac
    labkit_before=$3
    printf '\001%s\002%s\002%s\003' "$1" "$2" "$3" >&250
    # A shell of root's that is typed into, until its `exit`: here one is root already.
    case $3 in
        su | bash | 'sudo -s' | 'sudo su' | 'sudo bash') labkit_shells=$((labkit_shells + 1)) ;;
        *' -c '* | *' -c'[!\ ]*) ;;
        'su -'* | 'sudo -i' | 'sudo su -'* | 'su root' | 'sudo su root' | 'sudo -u '*' -i' | 'sudo -iu '*) labkit_shells=$((labkit_shells + 1)) && cd ;;
        *python*[!0-9]8081*) labkit_again "$2" 8081 ;;
        *python*[!0-9]8082*) labkit_again "$2" 8082 ;;
        'set +e'* | 'set +o errexit'*) builtin trap - ERR ;;
        # The service that its package has started is spoken to; in a lab nobody has yet.
        *kill*HUP*nginx* | *kill*nginx*HUP*) pgrep -x nginx >/dev/null || systemctl is-active nginx >/dev/null ;;
    esac
}
# Who types a server's line again, because the first was wrong, does so seconds later: the first one has the port by then, and
# keeps it. Here it is given the time that it takes to start.
mapfile -t labkit_lines <"$0"
labkit_again() {
    local line
    for line in "${labkit_lines[@]:0:$1-1}"; do
        case $line in '#'*) ;; *python*"$2"*) line=found && break ;; esac
    done
    for _ in {1..60}; do
        [ "$line" = found ] && ! (: <"/dev/tcp/127.0.0.1/$2") 2>/dev/null || return 0
        command sleep 0.1
        pgrep -f "python.*$2" >/dev/null || return 0
    done
}
exit() {
    if [ $labkit_shells -gt 0 ]; then labkit_shells=$((labkit_shells - 1)); else builtin exit "$@"; fi
}
# What a script would do at its end is not done: its terminal is open as long as it is judged, and so is that of what it started.
trap() {
    if [ $BASH_SUBSHELL = 0 ] && [ $# -gt 1 ]; then
        case " ${*:2} " in *' EXIT '* | *' 0 '*) return ;; esac
    fi
    builtin trap "$@"
}
alias ll='ls -alF' la='ls -A' l='ls -CF'
builtin trap 'break 99 2>/dev/null' USR1
# A shell that ends while what it left is still stopped would take that with it (setpgid(2), orphaned process groups), and bash would
# end what it believes to be stopped: it forgets its jobs, and waits for a word that all goes on.
builtin trap 'builtin trap - DEBUG; disown -a; printf "\001end\003" >&250; read -rt 10 _ </dev/tty' EXIT
# The next command finds $_ as the one before has left it (`mkdir backend1 && cd $_`).
builtin trap 'labkit_was=$? labkit_last=$_; case ${FUNCNAME-} in trap | exit) ;; *) labkit_announce "$labkit_was" "$LINENO" "$BASH_COMMAND" ;; esac; : "$labkit_last"' DEBUG
