# What bash reads when `labkit shell` opens it in a lab. Nothing of it is written to ~, which is the learner's work.
[ -r /etc/bash.bashrc ] && . /etc/bash.bashrc
export HISTFILE=/tmp/.bash_history
HISTCONTROL=ignoredups
shopt -s histappend checkwinsize
export VIMINIT='silent! source $VIMRUNTIME/defaults.vim | silent! set viminfo+=n/tmp/.viminfo'
export LESSHISTFILE=- PYTHON_HISTORY=/tmp/.python_history
export LS_COLORS='di=01;34:ln=01;36:ex=01;32:pi=33:so=01;35'
alias ls='ls --color=auto' grep='grep --color=auto' ip='ip -color=auto'
PS1='\[\e[1;32m\]'$LABKIT_LAB'\[\e[0m\]:\[\e[1;34m\]\w\[\e[0m\]\$ '
[ -r ~/.bashrc ] && . ~/.bashrc
if [ "$LABKIT_RECORD" ]; then
    # Shells that are opened in this one, also by sudo, are recorded too. What PS0 prints makes the door look at the record.
    export LABKIT_LEVEL=$SHLVL LABKIT_RECORDER=${BASH_SOURCE[0]%/*}/shell_record.sh HISTCONTROL=ignorespace PS0='$(labkit_run 2>/dev/null)\e[m'
    export PROMPT_COMMAND='declare -F labkit_prompt >/dev/null || . "$LABKIT_RECORDER"; labkit_prompt 2>/dev/null'
    printf '\e[2m%s\e[0m\n' "You are root in the lab $LABKIT_LAB ($LABKIT_WHERE). \`exit\` $LABKIT_LEAVING." \
        "What you type here is recorded in ~/$LABKIT_SCRIPT; a line that begins with a space is not."
else
    printf '\e[2m%s\e[0m\n' "You are root in the lab $LABKIT_LAB ($LABKIT_WHERE). \`exit\` $LABKIT_LEAVING." \
        'To count as your work, a command belongs into a task file or a %%lab cell; `labkit shell --record` writes it there.'
fi
