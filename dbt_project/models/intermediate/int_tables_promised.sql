{{ promised_tables() }}
