{{/* The stores document: what the operator reads as BUILDSTATE_STORES. */}}
{{- define "buildstate.stores" -}}
{{- $stores := list -}}
{{- range .Values.stores.list -}}
{{- $store := omit . "claimName" "credentialsSecret" -}}
{{- if eq .kind "Volume" -}}
{{- $store = set $store "path" (printf "/var/lib/buildstate/%s" .name) -}}
{{- end -}}
{{- if .credentialsSecret -}}
{{- $store = set $store "credentials" (printf "/etc/buildstate/credentials/%s" .name) -}}
{{- end -}}
{{- $stores = append $stores $store -}}
{{- end -}}
{{- $document := dict "default" .Values.stores.default "stores" $stores -}}
{{- if .Values.encryption.keysSecret -}}
{{- $encryption := dict "activeKey" .Values.encryption.activeKey "keyring" "/etc/buildstate/keyring" -}}
{{- $document = set $document "encryption" $encryption -}}
{{- end -}}
{{- toYaml $document -}}
{{- end -}}

{{/* Stops where the values of stores and keys contradict each other, which a schema cannot see. */}}
{{- define "buildstate.checkStores" -}}
{{- $names := list -}}
{{- range .Values.stores.list -}}
{{- if has .name $names -}}
{{- fail (printf "stores.list has two stores named %q: give each its own name" .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- if not (has .Values.stores.default $names) -}}
{{- fail (printf "stores.default is %q, but stores.list has only: %s" .Values.stores.default (join ", " $names)) -}}
{{- end -}}
{{- if and .Values.encryption.activeKey (not .Values.encryption.keysSecret) -}}
{{- fail (printf "encryption.activeKey is %q: name the Secret that holds it in encryption.keysSecret" .Values.encryption.activeKey) -}}
{{- end -}}
{{- if and .Values.encryption.keysSecret (not .Values.encryption.activeKey) -}}
{{- fail (printf "encryption.keysSecret is %q: name the key in it for new checkpoints in encryption.activeKey" .Values.encryption.keysSecret) -}}
{{- end -}}
{{- end -}}

{{/* Where the stores document, keys, credentials and volumes stand in the operator's container. */}}
{{- define "buildstate.mounts" -}}
- name: stores
  mountPath: /etc/buildstate/stores
  readOnly: true
{{- if .Values.encryption.keysSecret }}
- name: keyring
  mountPath: /etc/buildstate/keyring
  readOnly: true
{{- end }}
{{- range .Values.stores.list }}
{{- if .credentialsSecret }}
- name: credentials-{{ .name }}
  mountPath: /etc/buildstate/credentials/{{ .name }}
  readOnly: true
{{- end }}
{{- if .claimName }}
- name: store-{{ .name }}
  mountPath: /var/lib/buildstate/{{ .name }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What is mounted there. Secrets are read by the group, which is fsGroup, and by nobody else. */}}
{{- define "buildstate.volumes" -}}
- name: stores
  configMap:
    name: {{ include "buildstate.fullname" . }}-stores
{{- with .Values.encryption.keysSecret }}
- name: keyring
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- range .Values.stores.list }}
{{- if .credentialsSecret }}
- name: credentials-{{ .name }}
  secret:
    secretName: {{ .credentialsSecret }}
    defaultMode: 0440
{{- end }}
{{- if .claimName }}
- name: store-{{ .name }}
  persistentVolumeClaim:
    claimName: {{ .claimName }}
{{- end }}
{{- end }}
{{- end -}}
