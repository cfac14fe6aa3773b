{{- define "latchkey.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimAll "-" -}}
{{- end -}}

{{- define "latchkey.fullname" -}}
{{- $name := .Values.fullnameOverride -}}
{{- if and (not $name) (contains (include "latchkey.name" .) .Release.Name) -}}
{{- $name = .Release.Name -}}
{{- else if not $name -}}
{{- $name = printf "%s-%s" .Release.Name (include "latchkey.name" .) -}}
{{- end -}}
{{- $name = $name | trunc 63 | trimAll "-" -}}
{{- if not (regexMatch "^[a-z][-a-z0-9]*$" $name) -}}
{{- fail (printf "%s can't be the name of a Service, which begins with a letter and has letters, digits and hyphens alone: give fullnameOverride" $name) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- /* Name of the migration, whose pods have it as a label: at most 63 characters. */ -}}
{{- define "latchkey.migrationName" -}}
{{- $name := include "latchkey.fullname" . -}}
{{- if gt (len $name) 55 -}}
{{- $name = printf "%s-%s" ($name | trunc 46 | trimAll "-") (sha256sum $name | trunc 8) -}}
{{- end -}}
{{- $name -}}-migrate
{{- end -}}

{{- define "latchkey.selector" -}}
app.kubernetes.io/name: {{ include "latchkey.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- /* Pods that serve, without those of the migration. */ -}}
{{- define "latchkey.serverSelector" -}}
{{ include "latchkey.selector" . }}
app.kubernetes.io/component: server
{{- end -}}

{{- define "latchkey.labels" -}}
{{ include "latchkey.labelsWith" (list . dict) }}
{{- end -}}

{{- /* Labels of a resource with further ones, which win over commonLabels. Arguments: the root, and maps of labels. */ -}}
{{- define "latchkey.labelsWith" -}}
{{- $root := first . -}}
{{ include "latchkey.selector" $root }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- $further := dict -}}
{{- range prepend (rest .) $root.Values.commonLabels -}}
{{- $further = mergeOverwrite $further (default dict .) -}}
{{- end -}}
{{- with $further }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "latchkey.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "latchkey.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "latchkey.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "latchkey.secret" -}}
{{- if .Values.secrets.create -}}{{ include "latchkey.fullname" . }}{{- else -}}{{ .Values.secrets.existingSecret }}{{- end -}}
{{- end -}}

{{- /* Secret that the migration reads: a copy with the database's URL alone, because a hook runs before the release's own
resources exist. */ -}}
{{- define "latchkey.migrationSecret" -}}
{{- if .Values.secrets.create -}}{{ include "latchkey.fullname" . }}-migrate{{- else -}}{{ .Values.secrets.existingSecret }}{{- end -}}
{{- end -}}

{{- /* Not empty if extraEnv has the database's URL, which a replica then prefers to that of the Secret. */ -}}
{{- define "latchkey.databaseVariable" -}}
{{- range .Values.extraEnv }}{{ if has .name (list "LATCHKEY_DATABASE_URL" "LATCHKEY_DATABASE_URL_FILE") }}{{ .name }}{{ end }}{{ end -}}
{{- end -}}

{{- /* Variables of the migration: the settings of the database and the log, because the ConfigMap with the settings file does
not exist yet when the hook runs, and then extraEnv, which wins. */ -}}
{{- define "latchkey.migrationEnv" -}}
{{- $extra := list -}}
{{- range .Values.extraEnv }}{{ $extra = append $extra .name }}{{ end -}}
{{- if not (include "latchkey.databaseVariable" .) }}
- { name: LATCHKEY_DATABASE_URL_FILE, value: /secrets/database_url }
{{- end }}
{{- range $name, $value := .Values.settings -}}
{{- $variable := ternary "RUST_LOG" (printf "LATCHKEY_%s" (upper $name)) (eq $name "log") -}}
{{- if and (or (hasPrefix "database_" $name) (has $name (list "log" "log_format"))) (not (has $variable $extra)) }}
- { name: {{ $variable }}, value: {{ include "latchkey.scalar" $value | quote }} }
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "latchkey.tlsSecret" -}}
{{- default (printf "%s-tls" (include "latchkey.fullname" .)) .Values.tls.existingSecret -}}
{{- end -}}

{{- define "latchkey.host" -}}
{{ include "latchkey.fullname" . }}.{{ .Release.Namespace }}.svc
{{- end -}}

{{- /* The container's memory limit: the cache and a fifth more, and 205 MiB for connections, responses and logins. */ -}}
{{- define "latchkey.memoryLimit" -}}
{{- add (div (mul 6 (int .Values.cacheMaxMiB)) 5) 205 -}}Mi
{{- end -}}

{{- define "latchkey.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "latchkey.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- /* Text of a value. Helm reads each number as a float64, and prints a large one with an exponent. */ -}}
{{- define "latchkey.scalar" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- end -}}

{{- /* The settings file. A JSON text is a TOML value for strings, numbers, booleans and lists of strings. */ -}}
{{- define "latchkey.settings" -}}
grpc_addr = "0.0.0.0:{{ .Values.ports.grpc }}"
http_addr = "0.0.0.0:{{ .Values.ports.http }}"
admin_addr = "0.0.0.0:{{ .Values.ports.admin }}"
{{- if .Values.management.enabled }}
management_addr = "0.0.0.0:{{ .Values.ports.management }}"
{{- end }}
{{- if .Values.tls.enabled }}
tls_cert = "/tls/tls.crt"
tls_key = "/tls/tls.key"
http_tls = true
{{- if .Values.tls.clientCertificates }}
tls_client_ca = {{ if or .Values.tls.clientCASecret .Values.tls.clientCAConfigMap }}"/client-ca/ca.crt"{{ else }}"/tls/ca.crt"{{ end }}
{{- end }}
{{- else }}
insecure = true
{{- end }}
database_url_file = "/secrets/database_url"
master_key_file = "/secrets/master_key"
root_key_file = "/secrets/root_key"
{{- if .Values.redis.enabled }}
redis_url_file = "/secrets/redis_url"
{{- end }}
{{- if or .Values.profiles .Values.profilesConfigMap }}
profiles = "/profiles"
{{- end }}
cache_max_bytes = "{{ int .Values.cacheMaxMiB }}MiB"
shutdown_delay = "{{ int .Values.shutdown.delaySeconds }}s"
shutdown_timeout = "{{ int .Values.shutdown.timeoutSeconds }}s"
{{- range $name, $value := .Values.settings }}
{{ $name }} = {{ if kindIs "float64" $value }}{{ include "latchkey.scalar" $value }}{{ else }}{{ toJson $value }}{{ end }}
{{- end }}
{{- if .Values.operators }}

[operators]
{{- range $name, $operator := .Values.operators }}
{{ toJson $name }} = { {{ with $operator.tenant }}tenant = {{ toJson . }}, {{ end }}scopes = {{ toJson $operator.scopes }} }
{{- end }}
{{- end }}
{{- end -}}
