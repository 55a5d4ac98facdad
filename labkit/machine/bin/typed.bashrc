# What bash reads before a script that is run as it was typed (inside/typed.py). It announces each command, with the code of the one
# before and its line, in the stream of what is printed, so that all of it stays in its order.
set -T
exec 9>&1
labkit_shells=0
labkit_announce() {
    printf '\001%s\002%s\002%s\003' "$1" "$2" "$3" >&9
    # A shell of root's that is typed into, until its `exit`: here one is root already.
    case $3 in
        su | bash | 'sudo -s' | 'sudo su' | 'sudo bash') labkit_shells=$((labkit_shells + 1)) ;;
        'su -' | 'sudo -i' | 'sudo su -' | 'su - root' | 'su root' | 'sudo su root') labkit_shells=$((labkit_shells + 1)) && cd ;;
    esac
}
exit() {
    if [ $labkit_shells -gt 0 ]; then labkit_shells=$((labkit_shells - 1)); else builtin exit "$@"; fi
}
alias ll='ls -alF' la='ls -A' l='ls -CF'
trap 'break 99 2>/dev/null' USR1
# A shell that ends while what it left is still stopped would take that with it (setpgid(2), orphaned process groups), and bash would
# end what it believes to be stopped: it forgets its jobs, and waits for a word that all goes on.
trap 'trap - DEBUG; disown -a; printf "\001end\003" >&9; read -rt 10 _ </dev/tty' EXIT
trap 'labkit_announce "$?" "$LINENO" "$BASH_COMMAND"' DEBUG
