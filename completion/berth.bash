# bash completion for berth(1). The words come from berth itself (--dump-options: VERB, PROGRAM, OPTION, LETTER,
# VALUE, tab-separated), so they cannot differ from what it takes.

# Those that run, or with --all all. Without a terminal, as polkit would ask for a password to complete a word.
_berth_names() {
    berth list "$@" --no-legend </dev/null 2>/dev/null | while read -r name _; do echo "$name"; done
}

# The second column of what is listed of a container.
_berth_tags() {
    berth snapshot list "$1" --no-legend </dev/null 2>/dev/null | while read -r _ tag _; do echo "$tag"; done
}

_berth_sessions() {
    berth session list "$1" --no-legend </dev/null 2>/dev/null | while read -r id _; do echo "$id"; done
}

_berth_manifests() {
    local file
    for file in /etc/berth/*.berth /run/berth/*.berth /usr/local/lib/berth/*.berth /usr/lib/berth/*.berth; do
        [[ -e $file ]] || continue
        file=${file##*/}
        echo "${file%.berth}"
    done
}

_berth_images() {
    berth image list --no-legend </dev/null 2>/dev/null | while read -r name _; do echo "$name"; done
}

_berth_jobs() {
    berth job list --no-legend </dev/null 2>/dev/null | while read -r name _; do echo "$name"; done
}

_berth() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]}
    local table line options='' subverbs='' takes_value=''
    local -a fields

    COMPREPLY=()
    table=$(berth --dump-options 2>/dev/null) || return 0
    if ((COMP_CWORD == 1)); then
        while IFS=$'\t' read -r -a fields; do
            [[ ${fields[2]} == --* || ${fields[2]} == internal || ${fields[0]} == *' '* ]] || options+=" ${fields[0]}"
        done <<<"$table"
        mapfile -t COMPREPLY < <(compgen -W "$options --help --version" -- "$word")
        return 0
    fi

    while IFS=$'\t' read -r line _; do
        [[ $line == "$verb "* && $subverbs != *" ${line#* }" ]] && subverbs+=" ${line#* }"
    done <<<"$table"
    if [[ $subverbs ]]; then
        if ((COMP_CWORD == 2)); then
            mapfile -t COMPREPLY < <(compgen -W "$subverbs --help" -- "$word")
            return 0
        fi
        verb+=" ${COMP_WORDS[2]}"
    fi
    while IFS= read -r line; do
        IFS=$'\t' read -r -a fields <<<"$line"
        [[ ${fields[0]} == "$verb" && ${fields[2]} == --* ]] || continue
        [[ ${fields[4]} == "[="* ]] && fields[4]='' # may have a value
        options+=" ${fields[2]}${fields[4]:+=}"
        [[ -n ${fields[4]} && ($previous == "${fields[2]}" || $previous == "-${fields[3]}") ]] && takes_value=${fields[2]}
    done <<<"$table"

    case $takes_value in
        --env-file | --input) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return 0 ;;
        --root | --output) mapfile -t COMPREPLY < <(compgen -d -- "$word") && return 0 ;;
        --image) mapfile -t COMPREPLY < <(compgen -W "$(_berth_images)" -- "$word") && return 0 ;;
        --env) mapfile -t COMPREPLY < <(compgen -v -- "$word") && return 0 ;;
        --*) return 0 ;;
    esac
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options --help" -- "$word")
        [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null
    elif [[ $verb == @(exec|shell|mount|umount|top|kill|freeze|thaw) && $COMP_CWORD -eq 2 ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_berth_names)" -- "$word")
    elif [[ $verb == @(status|inspect|remove|logs|commit) && $COMP_CWORD -eq 2 ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_berth_names --all)" -- "$word")
    elif [[ $verb == mount && $COMP_CWORD -eq 3 ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    elif [[ $verb == cp ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word"; compgen -S : -W "$(_berth_names --all)" -- "$word")
        [[ ${COMPREPLY[0]-} == *: ]] && compopt -o nospace 2>/dev/null
    elif [[ $verb == stats ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_berth_names)" -- "$word")
    elif [[ $verb == @(file *|snapshot *|volume list) && $COMP_CWORD -eq 3 ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_berth_names --all)" -- "$word")
    elif [[ $verb == 'snapshot '@(restore|remove) && $COMP_CWORD -eq 4 ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_berth_tags "${COMP_WORDS[3]}")" -- "$word")
    elif [[ $verb == 'session '@(reset|close) && $COMP_CWORD -ge 4 ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_berth_sessions "${COMP_WORDS[3]}")" -- "$word")
    elif [[ $verb == @(check|preview) ]]; then
        mapfile -t COMPREPLY < <(compgen -f -W "$(_berth_manifests)" -- "$word")
    elif [[ $verb == @(diff|enable|disable) ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_berth_manifests)" -- "$word")
    elif [[ $verb == @(job list|env *|session *) && $COMP_CWORD -eq 3 ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_berth_names)" -- "$word")
    elif [[ $verb == 'job '* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_berth_jobs)" -- "$word")
    elif [[ $verb == 'image '@(inspect|verify|remove) ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_berth_images)" -- "$word")
    elif [[ $verb == @(convert|run|image import) ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
    return 0
}

complete -F _berth berth
