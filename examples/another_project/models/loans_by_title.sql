with loans as (
    select * from {{ source('desk', 'loans') }}
),

books as (
    select * from {{ source('catalogue', 'books') }}
),

final as (
    select
        books.isbn,
        books.title,
        count(loans.loan_id) as loans
    from books
    left join loans on loans.isbn = books.isbn
    group by books.isbn, books.title
)

select * from final
