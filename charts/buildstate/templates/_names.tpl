{{/* The name of everything that belongs to this release. */}}
{{- define "buildstate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 53 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The labels that find the operator's Pod; they may never change between versions. */}}
{{- define "buildstate.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The labels of every object of this chart. */}}
{{- define "buildstate.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "buildstate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: buildstate
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* The ServiceAccount of the operator. */}}
{{- define "buildstate.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "buildstate.fullname" .) -}}
{{- end -}}

{{/* The user name that the API server sees when the operator asks. */}}
{{- define "buildstate.user" -}}
{{- printf "system:serviceaccount:%s:%s" .Release.Namespace (include "buildstate.serviceAccount" .) -}}
{{- end -}}

{{/* "yes" where a store keeps checkpoints in ConfigMaps, and empty where none does. */}}
{{- define "buildstate.usesConfigMaps" -}}
{{- range .Values.stores.list -}}{{- if eq .kind "ConfigMap" -}}yes{{- end -}}{{- end -}}
{{- end -}}
