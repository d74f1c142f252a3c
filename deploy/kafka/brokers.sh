# What `up`, `down` and the command-line tools of Kafka have in common. Sourced, not run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/.ci/setup.sh"
libs=$root/.cache/kafka/libs
# For those who name no folder; the pages that use it read DIR.
# shellcheck disable=SC2034
default_dir=$root/.cache/kafka/dev

# fetch_jars: has Maven copy Kafka to .cache/kafka, once for each pom.xml.
fetch_jars() {
    local pom=$root/deploy/kafka/pom.xml
    need_commands default-jre-headless=java
    cmp -s "$pom" "$root/.cache/kafka/pom.xml" && return
    need_commands maven=mvn
    mkdir -p "$root/.cache/kafka"
    (
        flock 8
        if ! cmp -s "$pom" "$root/.cache/kafka/pom.xml"; then
            say "fetching Kafka into .cache/kafka"
            rm -rf "$libs"
            mvn -q -B -f "$pom" dependency:copy-dependencies -DoutputDirectory="$libs" -DincludeScope=runtime >&2
            cp "$pom" "$root/.cache/kafka/pom.xml"
        fi
    ) 8>"$root/.cache/kafka/lock"
}

# kafka CLASS ARGS...: one of Kafka's own tools.
kafka() {
    java -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$libs/*" "$@"
}

# running DIR I: whether the process in the pid file is broker I of DIR, and not another that has its number now.
running() {
    local pid
    pid=$(cat "$1/$2/pid" 2>/dev/null) && tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" |
        grep -qx "$1/$2/server.properties"
}
