with channels as (

    select * from {{ ref('channels') }}

),

named as (

    select * from {{ ref('int_channels_named') }}

),

-- All that the list has, all that facts name, and the unknown member, without a name.
members as (

    select channel from channels
    union distinct
    select channel from named
    union distinct
    select null as channel

)

select
    {{ surrogate_key(['members.channel']) }} as channel_key,
    members.channel,
    channels.channel is null as is_inferred,
    coalesce(channels.channel_name, 'Unknown') as channel_name,
    coalesce(channels.channel_kind, 'Unknown') as channel_kind,
    coalesce(channels.channel_order, 0) as channel_order,
    coalesce(channels.channel_description, 'Unknown') as channel_description
from members
left join channels on members.channel = channels.channel
