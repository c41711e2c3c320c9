"""Tab completion: the commands' names are ours, what follows them is Hydra's to complete."""

# Hydra completes one program with one config, so each query names the command to run and hides
# it from the line. '=' must not split words, or `dataset=mn` would be completed as `mn`.
BASH = """\
_gan_completion() {{
    local words=($COMP_LINE) word="" choices
    [[ "$COMP_LINE" == *" " ]] || word="${{words[-1]}}"
    if (( ${{#words[@]}} == 1 )) || {{ (( ${{#words[@]}} == 2 )) && [[ -n "$word" ]]; }}; then
        COMPREPLY=($(compgen -W "{commands} --help --version" -- "$word"))
        (( ${{#COMPREPLY[@]}} == 1 )) && COMPREPLY=("${{COMPREPLY[0]}} ")
        return
    fi
    local command="${{words[1]}}" rest="${{COMP_LINE#*"${{words[1]}}"}}"
    choices=$(COMP_LINE="gan$rest" "${{words[0]}}" "$command" -sc query=bash 2>/dev/null)
    COMPREPLY=($(compgen -o default -W "$choices" -- "$word"))
}}
COMP_WORDBREAKS=${{COMP_WORDBREAKS//=}}
complete -o nospace -o default -F _gan_completion gan"""
