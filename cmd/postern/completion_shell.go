package main

// completionScript is what a shell loads; "" for one that we do not know. It asks the program itself, with the
// words up to the cursor.
func completionScript(shell string) string {
	switch shell {
	case "bash":
		return bashCompletion
	case "zsh":
		return zshCompletion
	case "fish":
		return fishCompletion
	}
	return ""
}

const bashCompletion = `# bash completion for postern(1), by "postern completion bash"
_postern() {
	local word words=() line="${COMP_LINE:0:COMP_POINT}" begun="" rest
	# Not COMP_WORDS: bash takes them apart at every "=", ":" and "@".
	read -r -a words <<<"$line"
	[[ $line == *[[:space:]] ]] && words+=("")
	begun=${words[${#words[@]}-1]}
	# What bash replaces is only what comes after the last of these.
	rest=${begun##*[=:@]}
	[[ $COMP_WORDBREAKS == *@* ]] || rest=${begun##*[=:]}
	COMPREPLY=()
	while IFS=$'\t' read -r word _; do
		case $word in
		:files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$rest") ;;
		:dirs) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$rest") ;;
		?*) COMPREPLY+=("${word#"${begun%"$rest"}"}") ;;
		esac
	done < <("${words[0]}" complete -- "${words[@]:1}" 2>/dev/null)
}
complete -F _postern postern
`

const zshCompletion = `#compdef postern
# zsh completion for postern(1), by "postern completion zsh"
_postern() {
	local line word means
	local -a found
	for line in "${(@f)$("${words[1]}" complete -- "${(@)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)}"; do
		word=${line%%$'\t'*}
		case $word in
		'') ;;
		:files) compset -P '*='; _files; return ;;
		:dirs) compset -P '*='; _files -/; return ;;
		*)
			means=
			[[ $line == *$'\t'* ]] && means=":${line#*$'\t'}"
			found+=("${word//:/\\:}$means")
			;;
		esac
	done
	(( $#found )) && _describe postern found
}
if [[ $funcstack[1] == _postern ]]; then
	_postern "$@"
else
	compdef _postern postern
fi
`

const fishCompletion = `# fish completion for postern(1), by "postern completion fish"
function __postern_complete
    set -l words (commandline -opc)
    set -l begun (commandline -ct)
    set -l command $words[1]
    set -e words[1]
    # A path after "--flag=" has to bring the flag along.
    set -l flag (string match -r '^--[^=]*=' -- "$begun")
    set -l path (string replace -r '^--[^=]*=' '' -- "$begun")
    for line in ($command complete -- $words "$begun" 2>/dev/null)
        switch $line
            case :files
                for found in (__fish_complete_path "$path")
                    echo "$flag$found"
                end
            case :dirs
                for found in (__fish_complete_directories "$path")
                    echo "$flag$found"
                end
            case '*'
                echo $line
        end
    end
end
complete -c postern -f -a '(__postern_complete)'
`
