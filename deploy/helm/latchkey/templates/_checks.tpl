{{- /* Values that contradict each other, which the schema can't compare. Fails with the first one. */ -}}
{{- define "latchkey.checks" -}}
{{- include "latchkey.checkTls" . -}}
{{- include "latchkey.checkSettings" . -}}
{{- include "latchkey.checkUnused" . -}}
{{- include "latchkey.checkReplicas" . -}}
{{- include "latchkey.checkMemory" . -}}
{{- include "latchkey.checkNames" . -}}
{{- end -}}

{{- define "latchkey.checkTls" -}}
{{- $tls := .Values.tls -}}
{{- $clientCA := or $tls.clientCASecret $tls.clientCAConfigMap -}}
{{- if and $tls.clientCASecret $tls.clientCAConfigMap -}}
{{- fail "tls.clientCASecret and tls.clientCAConfigMap are both given: keep one" -}}
{{- else if and $clientCA (not (and $tls.enabled $tls.clientCertificates)) -}}
{{- fail "tls.clientCASecret or tls.clientCAConfigMap is given, but clients are not asked for certificates: set tls.enabled and tls.clientCertificates, or remove it" -}}
{{- else if and $tls.certManager.enabled (not $tls.enabled) -}}
{{- fail "tls.certManager.enabled is true, but tls.enabled is false: set both, or none" -}}
{{- else if and .Values.operators (not (and $tls.enabled (or $tls.clientCertificates (default dict .Values.settings).management_tls_client_ca))) -}}
{{- fail "operators name client certificates, but clients are not asked for them: set tls.enabled and tls.clientCertificates, or remove operators" -}}
{{- end -}}
{{- if $tls.certManager.enabled -}}
{{- $whole := include "latchkey.milliseconds" $tls.certManager.duration | int64 -}}
{{- $before := include "latchkey.milliseconds" $tls.certManager.renewBefore | int64 -}}
{{- if or (lt $whole 3600000) (lt $before 300000) (ge $before $whole) -}}
{{- fail "tls.certManager: cert-manager needs a duration of 1h or more, and a renewBefore of 5m or more that is shorter than it" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Settings that contradict other values: a replica would not start, or they would have no effect. */ -}}
{{- define "latchkey.checkSettings" -}}
{{- $settings := default dict .Values.settings -}}
{{- $certificates := and .Values.tls.enabled .Values.tls.clientCertificates -}}
{{- $variables := list -}}
{{- range .Values.extraEnv -}}{{- $variables = append $variables (trimSuffix "_FILE" .name) -}}{{- end -}}
{{- $auth := default "none" $settings.check_auth -}}
{{- if has "LATCHKEY_CHECK_AUTH" $variables -}}
{{- $auth = "" -}}
{{- end -}}
{{- if and (eq $auth "certificate") (not $certificates) -}}
{{- fail "settings.check_auth is certificate, but clients are not asked for certificates: set tls.enabled and tls.clientCertificates" -}}
{{- else if and (eq $auth "key") (not (or $settings.check_keys_file (has "LATCHKEY_CHECK_KEYS" $variables))) -}}
{{- fail "settings.check_auth is key, but there are no keys: give settings.check_keys_file, a file of extraVolumes, or LATCHKEY_CHECK_KEYS in extraEnv" -}}
{{- else if and $settings.check_keys_file (has $auth (list "none" "certificate")) -}}
{{- fail "settings.check_keys_file is given, but settings.check_auth is not key: set it, or remove the file" -}}
{{- else if and $settings.tls_client_crl (not $certificates) -}}
{{- fail "settings.tls_client_crl is given, but clients are not asked for certificates: set tls.enabled and tls.clientCertificates, or remove it" -}}
{{- end -}}
{{- range list "management_tls_client_ca" "management_tls_client_crl" -}}
{{- if and (get $settings .) (not (and $.Values.management.enabled $.Values.tls.enabled)) -}}
{{- fail (printf "settings.%s is given, but there is no management port with TLS: set management.enabled and tls.enabled, or remove it" .) -}}
{{- end -}}
{{- end -}}
{{- range list "redis_ca" "redis_deadline" -}}
{{- if and (get $settings .) (not (or $.Values.redis.enabled (has "LATCHKEY_REDIS_URL" $variables))) -}}
{{- fail (printf "settings.%s is given, but redis.enabled is false: set it, or remove the setting" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Values without any effect. */ -}}
{{- define "latchkey.checkUnused" -}}
{{- if and .Values.profiles .Values.profilesConfigMap -}}
{{- fail "profiles and profilesConfigMap are both given: keep one" -}}
{{- else if and .Values.networkPolicy.managementFrom (not .Values.management.enabled) -}}
{{- fail "networkPolicy.managementFrom is given, but management is on the gRPC port, which grpcFrom opens: set management.enabled" -}}
{{- else if and .Values.networkPolicy.egress.rules (not .Values.networkPolicy.egress.enabled) -}}
{{- fail "networkPolicy.egress.rules are given, but networkPolicy.egress.enabled is false" -}}
{{- else if and .Values.serviceAccount.annotations (not .Values.serviceAccount.create) -}}
{{- fail "serviceAccount.annotations are given, but serviceAccount.create is false: annotate your own account" -}}
{{- else if and .Values.secrets.create .Values.secrets.redisUrl (not .Values.redis.enabled) -}}
{{- fail "secrets.redisUrl is given, but redis.enabled is false" -}}
{{- end -}}
{{- range list "databaseUrl" "masterKey" "rootKey" "redisUrl" -}}
{{- if and (index $.Values.secrets .) (not $.Values.secrets.create) -}}
{{- fail (printf "secrets.%s is given, but secrets.create is false: set it, or put the value into the Secret that secrets.existingSecret names" .) -}}
{{- end -}}
{{- end -}}
{{- if .Values.serviceMonitor.enabled -}}
{{- $interval := include "latchkey.milliseconds" .Values.serviceMonitor.interval | int64 -}}
{{- if gt (include "latchkey.milliseconds" .Values.serviceMonitor.scrapeTimeout | int64) $interval -}}
{{- fail "serviceMonitor.scrapeTimeout is longer than serviceMonitor.interval" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "latchkey.checkReplicas" -}}
{{- $scale := .Values.autoscaling -}}
{{- if $scale.enabled -}}
{{- if gt (int $scale.minReplicas) (int $scale.maxReplicas) -}}
{{- fail "autoscaling.minReplicas is greater than autoscaling.maxReplicas" -}}
{{- else if not (or (dig "requests" "cpu" "" .Values.resources) (dig "limits" "cpu" "" .Values.resources)) -}}
{{- fail "autoscaling is relative to the requested CPU: give resources.requests.cpu" -}}
{{- end -}}
{{- end -}}
{{- if and (default dict .Values.settings).single_replica (or $scale.enabled (gt (int .Values.replicaCount) 1)) -}}
{{- fail "settings.single_replica needs replicaCount 1, and no autoscaling" -}}
{{- end -}}
{{- end -}}

{{- define "latchkey.checkMemory" -}}
{{- $limits := default dict .Values.resources.limits -}}
{{- $memory := $limits.memory | default (include "latchkey.memoryLimit" .) -}}
{{- if le (include "latchkey.amount" $memory | float64) (mulf (float64 .Values.cacheMaxMiB) 1048576) -}}
{{- fail "resources.limits.memory has no room for the cache: raise it, or lower cacheMaxMiB" -}}
{{- end -}}
{{- $all := merge (dict "memory" $memory) $limits -}}
{{- range $name, $requested := .Values.resources.requests -}}
{{- $limit := get $all $name -}}
{{- if and $requested $limit (gt (include "latchkey.amount" $requested | float64) (include "latchkey.amount" $limit | float64)) -}}
{{- fail (printf "resources.requests.%s is more than the limit, %v: give resources.limits.%s" $name $limit $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "latchkey.checkNames" -}}
{{- $ports := dict -}}
{{- range $name, $port := .Values.ports -}}
{{- if or $.Values.management.enabled (ne $name "management") -}}
{{- if hasKey $ports (toString $port) -}}
{{- fail (printf "ports.%s and ports.%s are the same" (get $ports (toString $port)) $name) -}}
{{- end -}}
{{- $_ := set $ports (toString $port) $name -}}
{{- end -}}
{{- end -}}
{{- include "latchkey.checkTwice" (list "extraEnv" "name" .Values.extraEnv) -}}
{{- include "latchkey.checkTwice" (list "extraVolumes" "name" .Values.extraVolumes) -}}
{{- include "latchkey.checkTwice" (list "extraVolumeMounts" "mountPath" .Values.extraVolumeMounts) -}}
{{- range .Values.extraEnv -}}
{{- if regexMatch "^LATCHKEY_((GRPC|HTTP|ADMIN|MANAGEMENT)_ADDR|INSECURE|HTTP_TLS|TLS_(CERT|KEY|CLIENT_CA)|CACHE_MAX_BYTES|MEMORY_BYTES|SHUTDOWN_(DELAY|TIMEOUT)|DRAIN_(SETTLE|TIMEOUT)|UNIX_SOCKET_(MODE|GROUP)|PROFILES|REPLICA_NAME|SINGLE_REPLICA|CONFIG)$" .name -}}
{{- fail (printf "extraEnv has %s, which the chart sets itself: remove it, and give the value of the chart that it stands for, if there is one" .name) -}}
{{- else if and .value .valueFrom -}}
{{- fail (printf "extraEnv: %s has value and valueFrom: keep one" .name) -}}
{{- else if and (eq .name "LATCHKEY_DATABASE_URL") (hasPrefix "sqlite" (lower (default "" .value))) (not (default dict $.Values.settings).single_replica) -}}
{{- fail "extraEnv: LATCHKEY_DATABASE_URL names a file of SQLite, which belongs to one process: each replica would have keys and revocations of its own. Give a URL of PostgreSQL, or replicaCount 1 and settings.single_replica" -}}
{{- end -}}
{{- end -}}
{{- $volumes := list -}}
{{- range .Values.extraVolumes -}}
{{- if has .name (list "config" "secrets" "tls" "client-ca" "profiles") -}}
{{- fail (printf "extraVolumes has %s, which is the name of a volume of the chart" .name) -}}
{{- end -}}
{{- $volumes = append $volumes .name -}}
{{- end -}}
{{- range .Values.extraVolumeMounts -}}
{{- if not (has .name $volumes) -}}
{{- fail (printf "extraVolumeMounts: extraVolumes has no volume %s" .name) -}}
{{- else if regexMatch "^/+(config|secrets|tls|client-ca|profiles)(/|$)" .mountPath -}}
{{- fail (printf "extraVolumeMounts: %s is a path of the chart's own volumes" .mountPath) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Arguments: the name of a list, a field, and the list, no two items of which may have the same value of the field. */ -}}
{{- define "latchkey.checkTwice" -}}
{{- $seen := list -}}
{{- $field := index . 1 -}}
{{- $where := first . -}}
{{- range last . -}}
{{- $value := get . $field -}}
{{- if has $value $seen -}}
{{- fail (printf "%s has %s twice" $where $value) -}}
{{- end -}}
{{- $seen = append $seen $value -}}
{{- end -}}
{{- end -}}

{{- /* Milliseconds of a duration such as 1h30m. */ -}}
{{- define "latchkey.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+(ms|[smhd])" . -1 -}}
{{- $sum = add $sum (mul (regexFind "^[0-9]+" . | int64) (get $units (regexFind "[a-z]+$" .))) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}

{{- /* Number that a quantity of Kubernetes stands for, such as 512Mi or 250m. */ -}}
{{- define "latchkey.amount" -}}
{{- $units := dict "" 1.0 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 -}}
{{- $text := include "latchkey.scalar" . -}}
{{- if regexMatch "[eE][0-9]+$" $text -}}
{{- printf "%f" (float64 $text) -}}
{{- else -}}
{{- printf "%f" (mulf (regexFind "^[0-9.]+" $text | float64) (get $units (regexFind "[A-Za-z]*$" $text))) -}}
{{- end -}}
{{- end -}}
